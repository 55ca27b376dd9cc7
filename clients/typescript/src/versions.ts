import type { PortalEvent } from "./events.js";

const VERSIONS = new WeakMap<object, number>();
const COMMANDS = new WeakMap<object, string>();

/** Remember what the headers of an answer say of it. */
export function remember(answer: unknown, headers: Headers): void {
  if (typeof answer !== "object" || answer === null) return;
  const version = headers.get("account-version");
  if (version !== null && /^\d+$/.test(version)) VERSIONS.set(answer, Number(version));
  const command = headers.get("command-id");
  if (command !== null) COMMANDS.set(answer, command);
}

/** The version of the account that an answer shows; undefined for one that is the same for everybody. */
export function versionOf(answer: object): number | undefined {
  return VERSIONS.get(answer);
}

/** The id of the command that gave this answer: that of its `command.settled`, and of its `pending_writes`. */
export function commandOf(answer: object): string | undefined {
  return COMMANDS.get(answer);
}

/** Whether an event tells more than an answer shows. An event without a version always does. */
export function isNews(event: PortalEvent, answer: object): boolean {
  if (event.kind === "reset" || event.version === undefined) return true;
  const version = versionOf(answer);
  return version === undefined || event.version > version;
}

/** The newer of two answers to the same read: answers may overtake each other. */
export function newer<Answer extends object>(held: Answer, received: Answer): Answer {
  return (versionOf(received) ?? Infinity) >= (versionOf(held) ?? 0) ? received : held;
}
