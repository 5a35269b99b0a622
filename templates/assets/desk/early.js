// Runs before the first paint: marks that scripts run, and applies the colour scheme that was chosen on this device.
document.documentElement.classList.replace("no-js", "js");
try {
  const theme = localStorage.getItem("theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch {
  // No storage: the scheme of the device holds.
}
