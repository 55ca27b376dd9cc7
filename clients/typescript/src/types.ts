import type { operations } from "./schema.js";

type Parameters<Id extends keyof operations> = operations[Id]["parameters"];
type PathOf<Id extends keyof operations> = Parameters<Id> extends { path: infer P } ? P : {};
type QueryOf<Id extends keyof operations> = Parameters<Id> extends { query?: infer Q } ? NonNullable<Q> : {};
type BodyOf<Id extends keyof operations> = operations[Id] extends { requestBody: infer B }
  ? B extends { content: infer C }
    ? { body: C[keyof C] }
    : {}
  : operations[Id] extends { requestBody?: infer B }
    ? NonNullable<B> extends { content: infer C }
      ? { body?: C[keyof C] }
      : {}
    : {};

type Flat<T> = { [Key in keyof T]: T[Key] };

/** The path and query parameters of an operation by name, and its `body`. */
export type Input<Id extends keyof operations> = Flat<
  PathOf<Id> & (QueryOf<Id> extends never ? {} : QueryOf<Id>) & BodyOf<Id>
>;

type Success<R> = { [Status in keyof R & (200 | 201 | 202)]: R[Status] }[keyof R & (200 | 201 | 202)];
type Content<S> = S extends { content: infer C } ? C[keyof C] : undefined;

/** What an operation answers; undefined for 204, a `Blob` for files. */
export type Output<Id extends keyof operations> = [keyof operations[Id]["responses"] & (200 | 201 | 202)] extends [never]
  ? undefined
  : Content<Success<operations[Id]["responses"]>>;

/** An operation takes its input as an argument unless nothing in it is required. */
export type Arguments<Id extends keyof operations> = {} extends Input<Id>
  ? [input?: Input<Id>, options?: CallOptions]
  : [input: Input<Id>, options?: CallOptions];

export interface CallOptions {
  readonly signal?: AbortSignal;
  /** An Idempotency-Key of your own, to go on with a request after a reload of the page. */
  readonly key?: string;
  /** The ETag of what the change is based on. */
  readonly ifMatch?: string;
  /** How long a read waits for the effect of your own last change; the portal's default is 2 s. */
  readonly waitSeconds?: number;
}
