export { createPortal, type OperationId, type Portal, type PortalOptions } from "./portal.js";
export {
  EVENT_KINDS,
  EventStream,
  type EventKind,
  type EventOptions,
  type Outcome,
  type PortalEvent,
} from "./events.js";
export { pages } from "./pages.js";
export { PortalProblem, PortalUnreachable, type ProblemBody, type Violation } from "./problem.js";
export type { RetryPolicy } from "./retry.js";
export type { components, operations } from "./schema.js";
export { commandOf, isNews, newer, versionOf } from "./versions.js";
export type { Arguments, CallOptions, Input, Output } from "./types.js";
