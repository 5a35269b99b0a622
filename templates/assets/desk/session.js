// Asks, before a form is sent, whether its session still lives; if not, logs the person in where they are.

import { t } from "./text.js";

const dialog = document.querySelector("[data-login]");

async function current() {
  const answer = await fetch("/app/_session", { headers: { accept: "application/json" }, cache: "no-store" });
  if (!answer.ok) throw new Error(String(answer.status));
  return answer.json();
}

/** The token for forms of `user`, put into every form of the page; `null` if somebody else is logged in, or nobody. */
async function renew(user) {
  const session = await current();
  if (session.user !== user) return { token: null, session };
  for (const input of document.querySelectorAll("input[name=csrf_token]")) input.value = session.csrf_token;
  return { token: session.csrf_token, session };
}

function logIn(user, session) {
  const form = dialog.querySelector("form");
  const problem = dialog.querySelector("[data-login-problem]");
  const other = session.user !== "Guest" && session.user;
  dialog.querySelector("[data-login-why]").textContent = other
    ? t("{other} is logged in in this browser now. Log in as {user} to save what you typed.", { other: session.full_name || other, user })
    : t("Your session has ended. What you typed is kept.");
  const code = dialog.querySelector("[data-login-code]");
  let waiting = "";
  const askForCode = (tmpId) => {
    waiting = tmpId;
    code.hidden = !tmpId;
    form.elements.otp.required = Boolean(tmpId);
    form.elements.otp.value = "";
    form.elements[tmpId ? "otp" : "pwd"].focus();
  };
  problem.hidden = true;
  form.elements.pwd.value = "";
  askForCode("");
  dialog.showModal();
  form.elements.pwd.focus();
  return new Promise((resolve) => {
    const done = (token) => {
      form.removeEventListener("submit", submit);
      dialog.removeEventListener("close", closed);
      if (dialog.open) dialog.close();
      resolve(token);
    };
    const closed = () => done(null);
    const submit = async (event) => {
      event.preventDefault();
      problem.hidden = true;
      try {
        const password = { usr: user, pwd: form.elements.pwd.value };
        const body = new URLSearchParams(waiting ? { tmp_id: waiting, otp: form.elements.otp.value } : password);
        const answer = await fetch("/api/method/login", { method: "POST", body, headers: { accept: "application/json" } });
        const { message, tmp_id: tmpId } = await answer.json();
        if (answer.ok && tmpId) return askForCode(tmpId);
        const { token } = answer.ok ? await renew(user) : {};
        if (token) return done(token);
        // Only a wrong code may be followed by another one.
        if (waiting && answer.status !== 401) askForCode("");
        throw new Error((!answer.ok && message) || t("The login did not work"));
      } catch (error) {
        problem.textContent = `${error.message}.`;
        problem.hidden = false;
        form.elements[waiting ? "otp" : "pwd"].select();
      }
    };
    form.addEventListener("submit", submit);
    dialog.addEventListener("close", closed);
  });
}

dialog?.querySelector("[data-close]").addEventListener("click", () => dialog.close());

/** The token for a form of `user`, after a login in place if need be; `null` if there is none. Throws without a connection. */
export async function ensureSession(user) {
  const { token, session } = await renew(user);
  return token ?? (dialog ? logIn(user, session) : null);
}
