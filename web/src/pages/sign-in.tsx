// Signs a superuser in.

import { useSignal } from "@preact/signals";
import { Refusal } from "../api";
import { at, go, place } from "../router";
import { email, signIn, signOut } from "../session";

export function SignIn() {
  if (email.value) return <AlreadyIn />;
  return <Form />;
}

function Form() {
  const busy = useSignal(false);
  const problem = useSignal("");
  const submit = async (event: SubmitEvent) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget as HTMLFormElement);
    busy.value = true;
    problem.value = "";
    try {
      await signIn(String(form.get("email")), String(form.get("password")));
      // Whoever went elsewhere meanwhile stays there.
      if (place.value === "sign-in") go("");
    } catch (error) {
      problem.value = explain(error);
    } finally {
      busy.value = false;
    }
  };
  return (
    <section class="narrow">
      <h1>Sign in</h1>
      <p class="lead">With a superuser's address and password.</p>
      <form class="card" onSubmit={submit} aria-describedby="problem">
        <label for="email">Email</label>
        <input id="email" name="email" type="email" autocomplete="username" required autofocus />
        <label for="password">Password</label>
        <input id="password" name="password" type="password" autocomplete="current-password" required />
        <p id="problem" class="problem" role="alert">
          {problem.value}
        </p>
        <button type="submit" disabled={busy.value}>
          {busy.value ? "Signing in…" : "Sign in"}
        </button>
      </form>
      <p class="hint">
        No account yet? On the machine that runs Holdall:
        <code class="block">holdall admin create you@example.com</code>
      </p>
    </section>
  );
}

function AlreadyIn() {
  return (
    <section class="narrow">
      <h1>You are signed in</h1>
      <p class="lead">
        As <strong>{email.value}</strong>. <a href={at("")}>To the status page</a>
      </p>
      <button type="button" onClick={signOut}>
        Sign out
      </button>
    </section>
  );
}

function explain(error: unknown): string {
  if (!(error instanceof Refusal)) return "The server can't be reached. Is it running?";
  if (error.status === 400) return "This address and password don't belong together.";
  if (error.status === 429) return "Too many attempts. Wait a moment, then try again.";
  return error.requestId ? `${error.message} (request ${error.requestId})` : error.message;
}
