import { PortalProblem } from "./problem.js";
import { sleep } from "./retry.js";
import type { components } from "./schema.js";
import { isNews } from "./versions.js";

export const EVENT_KINDS = [
  "order.changed",
  "invoice.changed",
  "subscription.changed",
  "charge.changed",
  "payment_method.changed",
  "payment_gateway.changed",
  "profile.changed",
  "eligibility.changed",
  "case.changed",
  "export.changed",
  "notification.changed",
  "catalog.changed",
] as const;

export type EventKind = (typeof EVENT_KINDS)[number];

export type Outcome = NonNullable<components["schemas"]["Changed"]["outcome"]>;

/**
 * Something changed; `version` is that of the account, and left out where everybody shares what changed. An empty `id`
 * means the one there is, or any. `command.settled` tells how the command of that id ended. On `reset` events were
 * lost: reload what you show.
 */
export type PortalEvent =
  | { readonly kind: EventKind; readonly id: string; readonly version: number | undefined }
  | { readonly kind: "command.settled"; readonly id: string; readonly version: number; readonly outcome: Outcome }
  | { readonly kind: "reset" };

export interface EventOptions {
  readonly signal?: AbortSignal;
  /** The longest pause between two attempts to connect. */
  readonly longestPauseSeconds?: number;
  /** The answers on the page: a change that all of them show already is not told. */
  readonly shown?: () => Iterable<object>;
}

/** Events whose version is remembered, so that a resumed stream tells none twice. */
const MOST_REMEMBERED = 1_000;

type Open = (lastEventId: string | undefined, signal: AbortSignal) => Promise<Response>;

/** The stream of changes. It reconnects by itself where it left off, and ends with the session or `close`. */
export class EventStream implements AsyncIterable<PortalEvent> {
  private readonly abort = new AbortController();
  private readonly longestPauseMs: number;
  private lastEventId: string | undefined;
  private readonly told = new Map<string, number>();
  private readonly shown: () => Iterable<object>;

  constructor(
    private readonly open: Open,
    options: EventOptions,
  ) {
    this.shown = options.shown ?? (() => []);
    this.longestPauseMs = (options.longestPauseSeconds ?? 30) * 1000;
    options.signal?.addEventListener("abort", () => this.close(), { once: true });
    if (options.signal?.aborted) this.close();
  }

  close(): void {
    this.abort.abort();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<PortalEvent> {
    let pauseMs = 500;
    while (!this.abort.signal.aborted) {
      try {
        for await (const event of this.connection()) {
          pauseMs = 500;
          if (this.isNews(event)) yield event;
        }
      } catch (error) {
        if (error instanceof PortalProblem && (error.status === 401 || error.status === 403)) throw error;
        if (error instanceof PortalProblem) pauseMs = Math.max(pauseMs, (error.retryAfterSeconds ?? 0) * 1000);
      }
      await sleep(pauseMs * (1 + Math.random() / 4), this.abort.signal).catch(() => undefined);
      pauseMs = Math.min(pauseMs * 2, this.longestPauseMs);
    }
  }

  /** Whether an event was not told before, and some answer on the page does not show it. */
  private isNews(event: PortalEvent): boolean {
    if (event.kind === "reset") this.told.clear();
    if (event.kind === "reset" || event.version === undefined) return true;
    const name = `${event.kind} ${event.id}`;
    if ((this.told.get(name) ?? -1) >= event.version) return false;
    this.told.delete(name);
    this.told.set(name, event.version);
    if (this.told.size > MOST_REMEMBERED) this.told.delete(this.told.keys().next().value as string);
    const shown = [...this.shown()];
    return event.kind === "command.settled" || shown.length === 0 || shown.some((each) => isNews(event, each));
  }

  private async *connection(): AsyncGenerator<PortalEvent> {
    const response = await this.open(this.lastEventId, this.abort.signal);
    if (response.body === null) return;
    const reader = response.body.getReader();
    const decoder = new TextDecoder();
    let rest = "";
    try {
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return;
        const blocks = (rest + decoder.decode(value, { stream: true })).split("\n\n");
        rest = blocks.pop() ?? "";
        for (const block of blocks) {
          const event = this.parse(block);
          if (event !== undefined) yield event;
        }
      }
    } finally {
      await reader.cancel().catch(() => undefined);
    }
  }

  private parse(block: string): PortalEvent | undefined {
    const fields = new Map<string, string>();
    for (const line of block.split("\n")) {
      const found = /^(\w+): ?(.*)$/.exec(line);
      if (found !== null) fields.set(found[1] as string, found[2] as string);
    }
    const [id, kind, data] = [fields.get("id"), fields.get("event"), fields.get("data")];
    if (id !== undefined) this.lastEventId = id;
    if (kind === "reset") return { kind };
    if (data === undefined) return undefined;
    const said = JSON.parse(data) as { id?: string; version?: number; outcome?: Outcome };
    const [item, version] = [said.id ?? "", said.version];
    if (kind === "command.settled" && version !== undefined && said.outcome !== undefined) {
      return { kind, id: item, version, outcome: said.outcome };
    }
    return EVENT_KINDS.includes(kind as EventKind) ? { kind: kind as EventKind, id: item, version } : undefined;
  }
}
