// A page of records as a table; the whole record is one click away.

import type { Collection, Row } from "../../model";

/** Columns beyond the id that fit beside each other and still tell something. */
const COLUMNS = 6;

/** Characters of a value that a cell shows. */
const CELL_LENGTH = 60;

interface Props {
  about: Collection;
  rows: Row[];
  onOpen: (row: Row) => void;
}

export function Table({ about, rows, onOpen }: Props) {
  const columns = about.fields
    .filter((field) => field.name !== "id" && !field.hidden && field.type !== "password")
    .slice(0, COLUMNS);
  return (
    <div class="sheet">
      <table>
        <thead>
          <tr>
            <th scope="col">id</th>
            {columns.map((field) => (
              <th scope="col" key={field.name} class={field.type === "number" ? "number" : undefined} title={field.type}>
                {field.name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={row.id}>
              <th scope="row">
                <button type="button" class="link" onClick={() => onOpen(row)}>
                  {row.id}
                </button>
              </th>
              {columns.map((field) => (
                <td key={field.name} class={field.type === "number" ? "number" : undefined}>
                  {brief(row[field.name])}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function brief(value: unknown): string {
  if (value === null || value === undefined || value === "") return "–";
  if (Array.isArray(value) && value.every((part) => typeof part === "string")) return cut(value.join(", ") || "–");
  return cut(typeof value === "object" ? JSON.stringify(value) : String(value));
}

function cut(text: string): string {
  return text.length > CELL_LENGTH ? `${text.slice(0, CELL_LENGTH - 1)}…` : text;
}
