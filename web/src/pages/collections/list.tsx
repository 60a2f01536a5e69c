// The list of collections.

import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { type Collection, collections, count, explain } from "../../model";
import { at } from "../../router";

export function List() {
  const all = useSignal<Collection[] | null>(null);
  const counts = useSignal<Record<string, number>>({});
  const problem = useSignal("");
  useEffect(() => {
    const load = async () => {
      const found = await collections();
      all.value = found;
      for (const { name } of found) {
        // One after the other: the console must not be the load that it shows.
        counts.value = { ...counts.value, [name]: await count(name) };
      }
    };
    load().catch((error: unknown) => {
      problem.value = explain(error);
    });
  }, []);
  return (
    <section>
      <h1>Collections</h1>
      <p class="problem" role="alert">
        {problem.value}
      </p>
      {all.value && (
        <div class="sheet">
          <table>
            <thead>
              <tr>
                <th scope="col">Name</th>
                <th scope="col">Type</th>
                <th scope="col">Fields</th>
                <th scope="col" class="number">
                  Records
                </th>
              </tr>
            </thead>
            <tbody>
              {all.value.map((one) => (
                <tr key={one.id}>
                  <th scope="row">
                    <a href={at(`collections/${encodeURIComponent(one.name)}`)}>{one.name}</a>
                  </th>
                  <td>{one.system ? `${one.type}, system` : one.type}</td>
                  <td class="quietly">{names(one)}</td>
                  <td class="number">{counts.value[one.name]?.toLocaleString("en") ?? "…"}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </section>
  );
}

/** What somebody defined, rather than what every collection has. */
function names(one: Collection): string {
  return one.fields
    .filter((field) => !field.system && field.type !== "autodate")
    .map((field) => field.name)
    .join(", ");
}
