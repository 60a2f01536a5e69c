// The frame around every page: who you are, where you can go, where you are.

import { useEffect } from "preact/hooks";
import { Logo } from "./parts/logo";
import { type Page, pages, shown } from "./pages";
import { at, go } from "./router";
import { email, signOut } from "./session";
import { nextTheme, theme } from "./theme";

export function Shell() {
  const page = shown.value;
  useEffect(() => {
    document.title = `${page.title} · Holdall`;
  }, [page.title]);
  return (
    <div class="frame">
      <a class="skip" href="#main">
        Skip to content
      </a>
      <header class="rail">
        <a class="brand" href={at("")} aria-label="Holdall, to the status page">
          <Logo />
          <span>Holdall</span>
        </a>
        <nav aria-label="Console">
          <ul>{pages.filter((entry) => entry.inNavigation).map((entry) => <Entry key={entry.path} entry={entry} />)}</ul>
        </nav>
        <div class="foot">
          <Account />
          <button type="button" class="quiet" onClick={nextTheme} aria-label={`Theme: ${theme.value}. Change it`}>
            <span aria-hidden="true">{{ system: "◐", light: "○", dark: "●" }[theme.value]}</span>
            <span class="wide">{{ system: "System theme", light: "Light theme", dark: "Dark theme" }[theme.value]}</span>
          </button>
        </div>
      </header>
      <main id="main" tabIndex={-1}>
        <page.View />
      </main>
    </div>
  );
}

function Entry({ entry }: { entry: Page }) {
  return (
    <li>
      <a href={at(entry.path)} aria-current={shown.value.path === entry.path ? "page" : undefined}>
        {entry.title}
      </a>
    </li>
  );
}

function Account() {
  if (!email.value) {
    return (
      <a class="quiet" href={at("sign-in")}>
        Sign in
      </a>
    );
  }
  const leave = () => {
    signOut();
    go("sign-in");
  };
  return (
    <div class="account">
      <span class="wide" title={email.value}>
        {email.value}
      </span>
      <button type="button" class="quiet" onClick={leave}>
        Sign out
      </button>
    </div>
  );
}
