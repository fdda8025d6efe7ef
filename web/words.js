// The pack's own words in the page's language, out of locales/<language>/*.json; English where a language has none.

import { api } from "../../scripts/api.js";
import { app } from "../../scripts/app.js";

let fetched;
let translations = {};

export function fetchWords() {
  fetched ??= api.fetchApi("/i18n").then(async (reply) => {
    translations = await reply.json();
  });
  return fetched;
}

export function language() {
  return app.extensionManager.setting.get("Comfy.Locale");
}

// chosen(words => words.gpen?.report?.one): of the page's language, else of English.
export function chosen(choose) {
  return choose(translations[language()] ?? {}) ?? choose(translations.en ?? {});
}

export function filled(text, values) {
  return (text ?? "").replace(/\{(\w+)\}/g, (_, name) => values[name]);
}
