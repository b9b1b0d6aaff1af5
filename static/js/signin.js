// Signing in again without leaving the page. Loaded when the server says 401 or does not know the page's token.
import { letGo, owner, waiting } from "./outbox.js";
import { $, $$, parsed, said } from "./page.js";

const TOKEN = "[name=csrfmiddlewaretoken]";
const dialog = $("#sign-in");
const isLogin = (form) => form?.getAttribute("action") === dialog.dataset.login;

/** Answers whether the same person is signed in with a fresh token in every form; asks for the password if need be. */
export async function signIn() {
  return look(await fetch(dialog.dataset.login));
}

async function look(reply) {
  const page = await parsed(reply);
  const form = $$("form", page).find(isLogin);
  if (form) return show(form, $("#errors", page));
  dialog.onclose = null;
  dialog.close();
  if (page.body.dataset.user !== owner) return tell($(".top-who", page)?.textContent ?? said("somebody"));
  for (const field of $$(TOKEN)) field.value = $(TOKEN, page).value;
  return true;
}

function show(form, errors) {
  $("#sign-in-here").replaceChildren(...[errors, form].filter(Boolean));
  if (!dialog.open) dialog.showModal();
  (errors ? $("[type=password]", form) : $("input:not([type=hidden])", form)).focus();
  return new Promise((done) => {
    form.onsubmit = async (event) => {
      event.preventDefault();
      const reply = await send(form).catch(() => null);
      if (reply) done(look(reply));
      else $("button[type=submit]", form).textContent = said("notSent");
    };
    dialog.onclose = () => done(false);
  });
}

/** A reply that was on its way when the form came can bring another token: then the form is sent again with that. */
async function send(form) {
  const post = () => fetch(form.action, { method: "POST", body: new FormData(form) });
  const reply = await post();
  if (reply.status !== 403) return reply;
  $(TOKEN, form).value = $(TOKEN, await parsed(await fetch(dialog.dataset.login))).value;
  return post();
}

function tell(who) {
  const line = document.createElement("p");
  line.textContent = said("signedInAs", who.trim(), waiting().length);
  const go = Object.assign(document.createElement("a"), { href: "/", className: "btn btn-solid", textContent: said("myWork") });
  letGo();
  $("#sign-in-here").replaceChildren(line, go);
  dialog.showModal();
  return false;
}
