// Runs before the first paint: marks that scripts run, and applies the colour scheme that was chosen on this device
// where nobody is logged in; for people, the page says what they chose.
document.documentElement.classList.replace("no-js", "js");
try {
  const theme = localStorage.getItem("theme");
  if (!("user" in document.documentElement.dataset) && (theme === "light" || theme === "dark")) document.documentElement.dataset.theme = theme;
} catch {
  // No storage: the scheme of the device holds.
}
