// What `reference.js` gives the console at build time.

declare module "reference:contents" {
  const contents: { name: string; title: string }[];
  export default contents;
}

declare module "*.md" {
  export const html: string;
}
