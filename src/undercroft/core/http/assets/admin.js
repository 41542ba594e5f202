// Set the light or dark theme before the first paint, as the browser prefers.
const dark = matchMedia("(prefers-color-scheme: dark)");
const applyTheme = () => { document.documentElement.dataset.bsTheme = dark.matches ? "dark" : "light"; };
dark.addEventListener("change", applyTheme);
applyTheme();
