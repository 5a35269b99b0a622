// What scripts say, in the language of the page: `t("Remove {count}", { count })`.

const language = document.documentElement.lang;
// Without the catalog the desk speaks English.
const texts = language === "en" ? {} : await import(`../locale/${language}.js`).then((module) => module.default, () => ({}));
const plurals = new Intl.PluralRules(language);
const used = plurals.resolvedOptions().pluralCategories;
const forms = ["zero", "one", "two", "few", "many", "other"].filter((form) => used.includes(form));

/** The form of several that a number takes; catalogs list them in the order of the language. */
const formOf = (all, count) => all[Math.min(forms.indexOf(plurals.select(Number(String(count).replace(/\D/g, "")))), all.length - 1)];

/** A text in the language of the page, with its values filled in. */
export function t(text, values = {}) {
  const known = texts[text] ?? text;
  const form = Array.isArray(known) ? formOf(known, values.count) : known;
  return form.replace(/\{(\w+)\}/g, (place, name) => values[name] ?? place);
}
