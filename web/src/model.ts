// What the records API says about collections and records, as far as the console looks at it.

import { Refusal, get } from "./api";

export interface Field {
  name: string;
  type: string;
  hidden: boolean;
  required?: boolean;
  system: boolean;
}

export interface Collection {
  id: string;
  name: string;
  type: "base" | "auth" | "view";
  system: boolean;
  fields: Field[];
  indexes: string[];
  [rule: `${string}Rule`]: string | null;
}

export type Row = { id: string } & Record<string, unknown>;

export interface Page<T> {
  page: number;
  perPage: number;
  totalItems: number;
  totalPages: number;
  items: T[];
}

/** Every collection, those of the system last. */
export async function collections(): Promise<Collection[]> {
  const all = await get<Page<Collection>>("/api/collections?perPage=1000&sort=name");
  return all.items.sort((left, right) => Number(left.system) - Number(right.system));
}

export function collection(name: string): Promise<Collection> {
  return get<Collection>(`/api/collections/${encodeURIComponent(name)}`);
}

/** A page of records. */
export function records(name: string, wanted: { page: number; filter: string; sort: string }): Promise<Page<Row>> {
  const query = new URLSearchParams({ page: String(wanted.page), perPage: "30" });
  if (wanted.filter) query.set("filter", wanted.filter);
  if (wanted.sort) query.set("sort", wanted.sort);
  return get<Page<Row>>(`/api/collections/${encodeURIComponent(name)}/records?${query}`);
}

/** How many records there are. */
export async function count(name: string): Promise<number> {
  const path = `/api/collections/${encodeURIComponent(name)}/records?perPage=1&fields=id`;
  return (await get<Page<Row>>(path)).totalItems;
}

/** What to tell a person about something that did not work. */
export function explain(error: unknown): string {
  if (!(error instanceof Refusal)) return "The server can't be reached. Is it running?";
  return error.requestId && error.status >= 500 ? `${error.message} (request ${error.requestId})` : error.message;
}
