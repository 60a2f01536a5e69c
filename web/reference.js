// Turns `docs/*.md` into pages of the console, and publishes the text itself beside them for `curl`.

import { readFile, readdir } from "node:fs/promises";
import { basename, join } from "node:path";
import { marked } from "marked";

const FOLDER = join(import.meta.dirname, "docs");
const CONTENTS = "reference:contents";

/**
 * A Vite plugin. `import { html } from "./x.md"` gives a page's HTML, and `reference:contents` the name and title of
 * every page, so that the list of pages does not load them all.
 */
export function referencePages() {
  return {
    name: "reference-pages",
    resolveId: (id) => (id === CONTENTS ? `\0${CONTENTS}` : null),
    async load(id) {
      if (id === `\0${CONTENTS}`) return `export default ${JSON.stringify(await contents())};\n`;
      if (!id.endsWith(".md")) return null;
      return `export const html = ${JSON.stringify(marked.parse(await readFile(id, "utf8")))};\n`;
    },
    async generateBundle() {
      for (const name of await names()) {
        this.emitFile({ type: "asset", fileName: `docs/${name}.md`, source: await text(name) });
      }
    },
  };
}

async function contents() {
  const pages = await Promise.all(
    (await names()).map(async (name) => {
      const heading = /^# (.+)$/m.exec(await text(name))?.[1] ?? name;
      return { name, title: heading.replaceAll("`", "").trim() };
    }),
  );
  return pages.sort((left, right) => left.title.localeCompare(right.title));
}

async function names() {
  return (await readdir(FOLDER)).filter((file) => file.endsWith(".md")).map((file) => basename(file, ".md"));
}

function text(name) {
  return readFile(join(FOLDER, `${name}.md`), "utf8");
}
