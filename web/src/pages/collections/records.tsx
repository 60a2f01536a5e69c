// One collection's records: filtered and sorted in the API's own language, page by page.

import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { type Collection, type Page, type Row, collection, explain, records } from "../../model";
import { at } from "../../router";
import { Record } from "./record";
import { Table } from "./table";

export function Records({ name }: { name: string }) {
  const about = useSignal<Collection | null>(null);
  const page = useSignal<Page<Row> | null>(null);
  const wanted = useSignal({ page: 1, filter: "", sort: "" });
  const opened = useSignal<Row | null>(null);
  const problem = useSignal("");

  useEffect(() => {
    collection(name).then(
      (found) => {
        about.value = found;
      },
      (error: unknown) => {
        problem.value = explain(error);
      },
    );
  }, [name]);

  useEffect(() => {
    let isCurrent = true;
    records(name, wanted.value).then(
      (found) => {
        if (!isCurrent) return;
        page.value = found;
        problem.value = "";
      },
      (error: unknown) => {
        if (isCurrent) problem.value = explain(error);
      },
    );
    // An answer that comes after the next question belongs to nobody.
    return () => {
      isCurrent = false;
    };
  }, [name, wanted.value]);

  const turn = (by: number) => {
    wanted.value = { ...wanted.value, page: wanted.value.page + by };
  };
  return (
    <section>
      <p class="crumbs">
        <a href={at("collections")}>Collections</a>
      </p>
      <h1>{name}</h1>
      <Search
        onSearch={(filter, sort) => {
          wanted.value = { page: 1, filter, sort };
        }}
      />
      <p class="problem" role="alert">
        {problem.value}
      </p>
      {about.value && page.value && (
        <>
          <Table
            about={about.value}
            rows={page.value.items}
            onOpen={(row) => {
              opened.value = row;
            }}
          />
          <Turner page={page.value} onTurn={turn} />
        </>
      )}
      {opened.value && (
        <Record
          row={opened.value}
          onClose={() => {
            opened.value = null;
          }}
        />
      )}
    </section>
  );
}

function Search({ onSearch }: { onSearch: (filter: string, sort: string) => void }) {
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget as HTMLFormElement);
    onSearch(String(form.get("filter")).trim(), String(form.get("sort")).trim());
  };
  return (
    <form class="search" role="search" onSubmit={submit}>
      <div>
        <label for="filter">Filter</label>
        <input id="filter" name="filter" spellcheck={false} autocomplete="off" placeholder="title ~ 'hello' && created > @todayStart" />
      </div>
      <div>
        <label for="sort">Sort</label>
        <input id="sort" name="sort" spellcheck={false} autocomplete="off" placeholder="-created,title" />
      </div>
      <button type="submit">Search</button>
    </form>
  );
}

function Turner({ page, onTurn }: { page: Page<Row>; onTurn: (by: number) => void }) {
  const first = (page.page - 1) * page.perPage + 1;
  const last = first + page.items.length - 1;
  return (
    <div class="turner">
      <p aria-live="polite">
        {page.items.length > 0 ? `${first}–${last} of ${page.totalItems.toLocaleString("en")}` : "No records."}
      </p>
      <button type="button" class="plain" disabled={page.page <= 1} onClick={() => onTurn(-1)}>
        Previous
      </button>
      <button type="button" class="plain" disabled={page.page >= page.totalPages} onClick={() => onTurn(1)}>
        Next
      </button>
    </div>
  );
}
