interface Page<T> {
  readonly items: readonly T[];
  readonly next_cursor: string | null;
}

/**
 * Iterate over the items of all pages of a list.
 *
 *     for await (const invoice of pages((cursor) => portal.listInvoices({ status: "unpaid", ...cursor }))) { … }
 */
export async function* pages<T>(list: (cursor: { cursor?: string }) => Promise<Page<T>>): AsyncGenerator<T> {
  let cursor: { cursor?: string } = {};
  for (;;) {
    const page = await list(cursor);
    yield* page.items;
    if (page.next_cursor === null) return;
    cursor = { cursor: page.next_cursor };
  }
}
