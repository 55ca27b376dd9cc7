// The rules of the kernel, against a portal of a few lines on a real socket.
import assert from "node:assert/strict";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { after, test } from "node:test";
import {
  commandOf,
  createPortal,
  isNews,
  newer,
  PortalProblem,
  PortalUnreachable,
  versionOf,
  type Portal,
  type PortalEvent,
} from "../src/index.js";
import { VERSION } from "../src/operations.js";

type Answer = (request: IncomingMessage, response: ServerResponse) => void;

const closing: (() => void)[] = [];
after(() => closing.forEach((close) => close()));

interface Played {
  readonly portal: Portal;
  readonly seen: IncomingMessage[];
}

/** A portal that gives these answers in turn, the last one again and again. */
async function played(...answers: Answer[]): Promise<Played> {
  const seen: IncomingMessage[] = [];
  const server = createServer((request, response) => {
    seen.push(request);
    (answers[Math.min(seen.length, answers.length) - 1] as Answer)(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  closing.push(() => server.close());
  const baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { portal: createPortal({ baseUrl, session: "bearer" }), seen };
}

function json(status: number, body: unknown, headers: Record<string, string> = {}): Answer {
  const type = status < 400 ? "application/json" : "application/problem+json";
  return (_, response) => response.writeHead(status, { "content-type": type, ...headers }).end(JSON.stringify(body));
}

const problem = (status: number, code: string, headers: Record<string, string> = {}): Answer =>
  json(status, { type: "", title: "", status, detail: "Please try again.", code, request_id: "r1" }, headers);
const hangUp: Answer = (request) => void request.socket.destroy();
const session = json(200, { token: "t1", csrf_token: "c1", expires_at: "", user: {} });
const login = { body: { email: "a@example.jp", password: "p" } };

test("a write is repeated under one key until it is answered", async () => {
  const { portal, seen } = await played(
    hangUp,
    problem(503, "temporarily_unavailable", { "retry-after": "0" }),
    problem(409, "command_in_progress"),
    json(200, {}),
  );
  await portal.payInvoice({ invoice_id: "7" });
  const keys = new Set(seen.map((each) => each.headers["idempotency-key"]));
  assert.equal(seen.length, 4);
  assert.equal(keys.size, 1);
  assert.match([...keys][0] as string, /^[0-9a-f-]{36}$/);
});

test("every call names the version that the client was made for", async () => {
  const { portal, seen } = await played(session, json(200, {}));
  await portal.logIn(login);
  await portal.payInvoice({ invoice_id: "7" });
  assert.deepEqual(seen.map((each) => each.headers["portal-version"]), [VERSION, VERSION]);
});

test("two writes have two keys", async () => {
  const { portal, seen } = await played(json(200, {}));
  await portal.payInvoice({ invoice_id: "7" });
  await portal.payInvoice({ invoice_id: "7" });
  assert.notEqual(seen[0]?.headers["idempotency-key"], seen[1]?.headers["idempotency-key"]);
});

test("a write without a key is sent once", async () => {
  const { portal, seen } = await played(hangUp);
  await assert.rejects(portal.logOut(), PortalUnreachable);
  assert.equal(seen.length, 1);
});

test("what a rule forbids is not repeated, and names the field", async () => {
  const violation = { field: "items", code: "domain_required", message: "Please name a domain." };
  const { portal, seen } = await played(
    json(422, { status: 422, code: "domain_required", detail: "d", request_id: "r1", errors: [violation] }),
  );
  await assert.rejects(portal.placeOrder({ body: { items: [{ sku: "x" }] } }), (error: unknown) => {
    assert(error instanceof PortalProblem);
    assert.deepEqual(error.of("items").map((each) => each.code), ["domain_required"]);
    return true;
  });
  assert.equal(seen.length, 1);
});

test("attempts end", async () => {
  const { portal, seen } = await played(problem(503, "temporarily_unavailable", { "retry-after": "0" }));
  await assert.rejects(portal.listInvoices(), PortalProblem);
  assert.equal(seen.length, 4);
});

test("a wait beyond the time for all attempts is not begun", { timeout: 20_000 }, async () => {
  const { portal, seen } = await played(problem(429, "too_many_requests", { "retry-after": "3600" }));
  await assert.rejects(portal.listInvoices(), PortalProblem);
  assert.equal(seen.length, 1);
});

test("reads carry the token of the last change until its effect was seen", async () => {
  const { portal, seen } = await played(
    session,
    json(200, {}, { "consistency-token": "k1" }),
    json(200, {}, { consistency: "pending" }),
    json(200, {}, { consistency: "reached" }),
    json(200, {}),
  );
  await portal.logIn(login);
  await portal.payInvoice({ invoice_id: "7" });
  for (let reads = 0; reads < 3; reads++) await portal.getInvoice({ invoice_id: "7" });
  assert.deepEqual(
    seen.slice(2).map((each) => each.headers["consistency-token"]),
    ["k1", "k1", undefined],
  );
});

test("the session's tokens go where they belong and end with it", async () => {
  const { portal, seen } = await played(session, json(200, {}), json(200, {}), (_, response) =>
    response.writeHead(204).end(),
  );
  await portal.logIn(login);
  await portal.payInvoice({ invoice_id: "7" });
  await portal.getPublicCatalog();
  await portal.logOut();
  await portal.getMe().catch(() => undefined);
  assert.deepEqual(
    seen.map((each) => [each.headers.authorization, each.headers["x-csrf-token"]]),
    [
      [undefined, undefined],
      ["Bearer t1", "c1"],
      [undefined, undefined],
      ["Bearer t1", "c1"],
      [undefined, undefined],
    ],
  );
});

test("path and query parameters are encoded", async () => {
  const { portal, seen } = await played(json(200, { items: [], next_cursor: null }));
  await portal.getInvoice({ invoice_id: "7/../8?x=1" });
  await portal.listInvoices({ status: "unpaid", limit: 2 });
  assert.deepEqual(
    seen.map((each) => each.url),
    ["/api/invoices/7%2F..%2F8%3Fx%3D1", "/api/invoices?status=unpaid&limit=2"],
  );
});

/** A stream that sends these blocks and ends. */
const streamed =
  (...blocks: string[]): Answer =>
  (_, response) => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.end(blocks.map((each) => `${each}\n\n`).join(""));
  };

async function received(portal: Portal, most: number, shown?: () => object[]): Promise<PortalEvent[]> {
  const found: PortalEvent[] = [];
  for await (const event of portal.events(shown === undefined ? {} : { shown })) {
    found.push(event);
    if (found.length === most) break;
  }
  return found;
}

const invoiceChanged = (id: string, version: number): string =>
  `id: ${version}-0\nevent: invoice.changed\ndata: {"id":"${id}","version":${version}}`;

test("an answer knows the version that it shows, and the command that gave it", async () => {
  const { portal } = await played(
    json(200, {}, { "account-version": "12" }),
    json(200, {}, { "account-version": "11", "command-id": "c-1" }),
    json(200, { items: [] }),
  );
  const invoice = await portal.getInvoice({ invoice_id: "7" });
  const paid = await portal.payInvoice({ invoice_id: "7" });
  assert.deepEqual([versionOf(invoice), versionOf(paid), commandOf(paid)], [12, 11, "c-1"]);
  assert.equal(versionOf(await portal.getPublicCatalog()), undefined);
});

test("an event is news only to what does not show it", async () => {
  const { portal } = await played(json(200, {}, { "account-version": "5" }));
  const invoice = await portal.getInvoice({ invoice_id: "7" });
  const news = (version: number | undefined): boolean => isNews({ kind: "invoice.changed", id: "7", version }, invoice);
  assert.deepEqual([news(4), news(5), news(6), news(undefined)], [false, false, true, true]);
  assert(isNews({ kind: "reset" }, invoice));
});

test("an answer that was overtaken does not replace a newer one", async () => {
  const { portal } = await played(
    json(200, { total: "new" }, { "account-version": "6" }),
    json(200, { total: "old" }, { "account-version": "5" }),
  );
  const first = await portal.getInvoice({ invoice_id: "7" });
  const second = await portal.getInvoice({ invoice_id: "7" });
  assert.equal(newer(first, second), first);
  assert.equal(newer(second, first), first);
});

test("a stream does not tell what the page shows, and tells the ends of commands all the same", async () => {
  const settled = 'id: 5-0\nevent: command.settled\ndata: {"id":"c-1","version":5,"outcome":"shown"}';
  const { portal } = await played(
    json(200, {}, { "account-version": "5" }),
    streamed(invoiceChanged("7", 5), settled, invoiceChanged("8", 6)),
  );
  const invoice = await portal.getInvoice({ invoice_id: "7" });
  assert.deepEqual(await received(portal, 2, () => [invoice]), [
    { kind: "command.settled", id: "c-1", version: 5, outcome: "shown" },
    { kind: "invoice.changed", id: "8", version: 6 },
  ]);
});

test("a change is told when one of several answers does not show it", async () => {
  const { portal } = await played(
    json(200, {}, { "account-version": "9" }),
    json(200, {}, { "account-version": "4" }),
    streamed(invoiceChanged("7", 5)),
  );
  const answers = [await portal.getInvoice({ invoice_id: "7" }), await portal.listInvoices()];
  assert.equal((await received(portal, 1, () => answers)).length, 1);
});

test("a resumed stream repeats nothing", async () => {
  const { portal } = await played(
    streamed(invoiceChanged("7", 4), invoiceChanged("8", 5)),
    streamed(invoiceChanged("8", 5), invoiceChanged("7", 6)),
  );
  const versions = (await received(portal, 3)).map((each) => each.kind !== "reset" && each.version);
  assert.deepEqual(versions, [4, 5, 6]);
});

test("what everybody shares has no version and is always told", async () => {
  const catalog = "id: 4-2\nevent: catalog.changed\ndata: {}";
  const { portal } = await played(json(200, {}, { "account-version": "9" }), streamed(catalog, catalog));
  const invoice = await portal.getInvoice({ invoice_id: "7" });
  const found = await received(portal, 2, () => [invoice]);
  assert.deepEqual(found, Array(2).fill({ kind: "catalog.changed", id: "", version: undefined }));
});

test("a change that was given up is not waited for again", async () => {
  const { portal, seen } = await played(
    json(200, {}, { "consistency-token": "k1" }),
    json(200, {}, { consistency: "given_up" }),
    json(200, {}),
  );
  await portal.payInvoice({ invoice_id: "7" });
  for (let reads = 0; reads < 2; reads++) await portal.getInvoice({ invoice_id: "7" });
  assert.deepEqual(
    seen.slice(1).map((each) => each.headers["consistency-token"]),
    ["k1", undefined],
  );
});

test("a failed command names its id", async () => {
  const { portal } = await played(
    json(422, { status: 422, code: "details_refused", detail: "d", request_id: "r1", command_id: "c-1" }),
  );
  await assert.rejects(portal.payInvoice({ invoice_id: "7" }), (error: unknown) => {
    assert(error instanceof PortalProblem);
    assert.equal(error.commandId, "c-1");
    return true;
  });
});

test("a stream resumes where it was cut off, and skips what it does not know", async () => {
  const chunk = (text: string): Answer => (_, response) => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    for (const each of text) response.write(each);
    response.end();
  };
  const { portal, seen } = await played(
    chunk('id: 4-1\nevent: invoice.changed\ndata: {"id":"7","version":4}\n\n: heartbeat\n\n'),
    chunk('id: 5-1\nevent: moon.changed\ndata: {"id":"1","version":5}\n\nid: 6-1\nevent: reset\ndata: {}\n\n'),
  );
  const found = [];
  for await (const event of portal.events()) {
    found.push(event);
    if (found.length === 2) break;
  }
  assert.deepEqual(found, [{ kind: "invoice.changed", id: "7", version: 4 }, { kind: "reset" }]);
  assert.deepEqual(
    seen.slice(0, 2).map((each) => each.headers["last-event-id"]),
    [undefined, "4-1"],
  );
});

test("a stream ends with its session", async () => {
  const { portal } = await played(problem(401, "not_authenticated"));
  await assert.rejects(async () => {
    for await (const _ of portal.events()) assert.fail("nothing was sent");
  }, PortalProblem);
});
