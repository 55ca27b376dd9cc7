import { EventStream, type EventOptions } from "./events.js";
import { OPERATIONS, VERSION } from "./operations.js";
import { errorOf, PortalUnreachable } from "./problem.js";
import { DEFAULT_RETRY, repeat, type RetryPolicy } from "./retry.js";
import type { operations } from "./schema.js";
import type { Arguments, CallOptions, Output } from "./types.js";
import { remember } from "./versions.js";

export type OperationId = Exclude<keyof operations & keyof typeof OPERATIONS, "streamEvents">;

export interface PortalOptions {
  /** Where the portal is, e.g. `https://api.example.jp`; empty in a page of the same origin. */
  readonly baseUrl?: string;
  /** How the session is kept: by the browser's cookie, or as a bearer token in this object's memory. */
  readonly session?: "cookie" | "bearer";
  readonly retry?: Partial<RetryPolicy>;
  readonly fetch?: typeof fetch;
}

interface Facts {
  readonly method: string;
  readonly path: string;
  readonly open: boolean;
  readonly keyed: boolean;
  readonly consistent: boolean;
}

export type Portal = { readonly [Id in OperationId]: (...input: Arguments<Id>) => Promise<Output<Id>> } & {
  /** Follow what changes; one stream serves a whole page. */
  events(options?: EventOptions): EventStream;
};

/** The client: one method per operation, named as in the document. */
export function createPortal(options: PortalOptions = {}): Portal {
  const kernel = new Kernel(options);
  const calls = Object.entries(OPERATIONS).map(([id, facts]) => [
    id,
    (input?: Record<string, unknown>, more?: CallOptions) => kernel.call(facts, input ?? {}, more ?? {}),
  ]);
  const events = (more: EventOptions = {}): EventStream => kernel.events(more);
  return { ...Object.fromEntries(calls), events } as Portal;
}

/** After these words there is nothing left to wait for. */
const ENDED = new Set(["reached", "given_up"]);

/** What all calls share: the session, the CSRF token, and the token of the last own change. */
class Kernel {
  private readonly baseUrl: string;
  private readonly retry: RetryPolicy;
  private readonly fetch: typeof fetch;
  private readonly byCookie: boolean;
  private bearer: string | undefined;
  private csrf: string | undefined;
  private consistency: string | undefined;

  constructor(options: PortalOptions) {
    this.baseUrl = (options.baseUrl ?? "").replace(/\/$/, "");
    this.retry = { ...DEFAULT_RETRY, ...options.retry };
    this.fetch = options.fetch ?? fetch.bind(globalThis);
    this.byCookie = (options.session ?? "cookie") === "cookie";
  }

  async call(facts: Facts, input: Record<string, unknown>, options: CallOptions): Promise<unknown> {
    const { body, ...parameters } = input;
    const url = this.baseUrl + filled(facts.path, parameters);
    const key = facts.keyed ? (options.key ?? crypto.randomUUID()) : undefined;
    const send = (): Promise<unknown> => this.send(facts, url, body, key, options);
    const repeatable = facts.method === "GET" || key !== undefined;
    return repeatable ? repeat(send, this.retry, options.signal) : send();
  }

  events(options: EventOptions): EventStream {
    const open = (lastEventId: string | undefined, signal: AbortSignal): Promise<Response> => {
      const headers = this.sessionHeaders();
      if (lastEventId !== undefined) headers.set("last-event-id", lastEventId);
      return this.answered(`${this.baseUrl}/api/events`, { headers, signal });
    };
    return new EventStream(open, options);
  }

  private async send(
    facts: Facts,
    url: string,
    body: unknown,
    key: string | undefined,
    options: CallOptions,
  ): Promise<unknown> {
    const headers = facts.open ? new Headers() : this.sessionHeaders();
    if (key !== undefined) headers.set("idempotency-key", key);
    if (options.ifMatch !== undefined) headers.set("if-match", options.ifMatch);
    if (body !== undefined) headers.set("content-type", "application/json");
    if (facts.method !== "GET" && this.csrf !== undefined && !facts.open) headers.set("x-csrf-token", this.csrf);
    const sent = facts.consistent ? this.consistency : undefined;
    if (sent !== undefined) headers.set("consistency-token", sent);
    if (options.waitSeconds !== undefined) headers.set("prefer", `wait=${options.waitSeconds}`);
    const response = await this.answered(url, {
      method: facts.method,
      headers,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    });
    this.learn(response, sent);
    return this.content(facts, response);
  }

  /** Send, and raise what is no success. */
  private async answered(url: string, request: RequestInit & { headers: Headers }): Promise<Response> {
    request.headers.set("portal-version", VERSION);
    let response: Response;
    try {
      response = await this.fetch(url, { ...request, credentials: this.byCookie ? "include" : "omit" });
    } catch (error) {
      if (request.signal?.aborted) throw error;
      throw new PortalUnreachable("The portal could not be reached.", error);
    }
    if (!response.ok) throw await errorOf(response);
    return response;
  }

  private sessionHeaders(): Headers {
    return new Headers(this.bearer === undefined ? {} : { authorization: `Bearer ${this.bearer}` });
  }

  /** Keep the token of an own change until a read has shown its effect. */
  private learn(response: Response, sent: string | undefined): void {
    const token = response.headers.get("consistency-token");
    if (token !== null) this.consistency = token;
    else if (ENDED.has(response.headers.get("consistency") ?? "") && this.consistency === sent) this.consistency = undefined;
  }

  private async content(facts: Facts, response: Response): Promise<unknown> {
    if (response.status === 204) {
      if (facts.path === "/api/auth/logout") this.bearer = this.csrf = this.consistency = undefined;
      return undefined;
    }
    const type = response.headers.get("content-type") ?? "";
    if (!type.startsWith("application/json")) return response.blob();
    const body: unknown = await response.json();
    this.adopt(body);
    remember(body, response.headers);
    return body;
  }

  /** A login and `getMe` bring the CSRF token; a login, or a change of the session, the bearer token. */
  private adopt(body: unknown): void {
    if (typeof body !== "object" || body === null) return;
    const { csrf_token: csrf, token } = body as { csrf_token?: unknown; token?: unknown };
    if (typeof csrf !== "string") return;
    this.csrf = csrf;
    if (typeof token === "string" && !this.byCookie) this.bearer = token;
  }
}

/** Fill the path's parameters; the others are its query. Undefined ones are left out. */
function filled(path: string, parameters: Record<string, unknown>): string {
  const query = new URLSearchParams();
  let result = path;
  for (const [name, value] of Object.entries(parameters)) {
    if (value === undefined || value === null) continue;
    const place = `{${name}}`;
    if (result.includes(place)) result = result.replace(place, encodeURIComponent(String(value)));
    else for (const each of Array.isArray(value) ? value : [value]) query.append(name, String(each));
  }
  const text = query.toString();
  return text === "" ? result : `${result}?${text}`;
}
