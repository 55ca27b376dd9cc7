import type { components } from "./schema.js";

export type ProblemBody = components["schemas"]["Problem"];
export type Violation = components["schemas"]["Violation"];

/** An answer of 4xx or 5xx. `code` is stable; `message` is the sentence for the customer. */
export class PortalProblem extends Error {
  readonly code: string;
  readonly status: number;
  readonly violations: readonly Violation[];
  /** Quote it to support: it identifies the request in the portal's logs. */
  readonly requestId: string;
  /** Seconds to wait before trying again, if the portal named them. */
  readonly retryAfterSeconds: number | undefined;
  /** The command that failed: `getCommand` tells how far it came, and `command.settled` how it ends. */
  readonly commandId: string | undefined;
  readonly body: ProblemBody;

  constructor(body: ProblemBody, retryAfterSeconds: number | undefined) {
    super(body.detail);
    this.name = "PortalProblem";
    this.body = body;
    this.code = body.code;
    this.status = body.status;
    this.violations = body.errors ?? [];
    this.requestId = body.request_id;
    this.commandId = body.command_id ?? undefined;
    this.retryAfterSeconds = retryAfterSeconds;
  }

  /** The violations of one field of the request body, for the form that shows it. */
  of(field: string): readonly Violation[] {
    return this.violations.filter((each) => each.field === field);
  }
}

/** No answer, or one that is not the portal's: a network error, a proxy's page. */
export class PortalUnreachable extends Error {
  constructor(message: string, cause?: unknown) {
    super(message, { cause });
    this.name = "PortalUnreachable";
  }
}

/** Turn a response of 4xx or 5xx into an error. */
export async function errorOf(response: Response): Promise<PortalProblem | PortalUnreachable> {
  const type = response.headers.get("content-type") ?? "";
  if (!type.startsWith("application/problem+json")) {
    return new PortalUnreachable(`The answer ${response.status} is not the portal's.`);
  }
  return new PortalProblem((await response.json()) as ProblemBody, retryAfterSeconds(response));
}

/** Read `Retry-After`, which the portal sends in seconds and a proxy may send as a date. */
export function retryAfterSeconds(response: Response): number | undefined {
  const value = response.headers.get("retry-after");
  if (value === null) return undefined;
  const seconds = /^\d+$/.test(value) ? Number(value) : (Date.parse(value) - Date.now()) / 1000;
  return Number.isFinite(seconds) ? Math.max(seconds, 0) : undefined;
}
