// The reference pages: `web/docs/*.md`, rendered when the console was built, loaded when they are read.

import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import contents from "reference:contents";
import { at, place } from "../router";

const texts = import.meta.glob<{ html: string }>("../../docs/*.md");

export function Docs() {
  const name = place.value.split("/")[1];
  if (name && contents.some((page) => page.name === name)) return <Text name={name} key={name} />;
  return (
    <section>
      <h1>Reference</h1>
      {name && <p class="problem">There is no reference page called “{name}”.</p>}
      <ul class="contents">
        {contents.map((page) => (
          <li key={page.name}>
            <a href={at(`docs/${page.name}`)}>{page.title}</a>
          </li>
        ))}
      </ul>
    </section>
  );
}

function Text({ name }: { name: string }) {
  const html = useSignal("");
  useEffect(() => {
    const load = texts[`../../docs/${name}.md`];
    void load?.().then((page) => {
      html.value = page.html;
    });
  }, [name]);
  return (
    <>
      <p class="crumbs">
        <a href={at("docs")}>Reference</a>
        <a href={at(`docs/${name}.md`)}>As text</a>
      </p>
      {/* Our own text, rendered by our own build: nothing in it comes from a visitor. */}
      <article class="prose" dangerouslySetInnerHTML={{ __html: html.value }} />
    </>
  );
}
