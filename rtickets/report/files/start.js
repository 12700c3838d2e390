// What the page does when it is there.

const root = document.documentElement;
root.classList.add("js");

const specs = JSON.parse(document.getElementById("charts").textContent);
for (const figure of document.querySelectorAll("figure[data-chart]")) {
  new Chart(figure, specs[Number(figure.dataset.chart)]);
}
document.querySelectorAll("section.cells").forEach(makeFilters);
document.querySelectorAll("table").forEach(makeSortable);

for (const box of document.querySelectorAll(".scroll")) {
  const reach = () => box.toggleAttribute("tabindex", false) || (box.scrollWidth > box.clientWidth && box.setAttribute("tabindex", "0"));
  new ResizeObserver(reach).observe(box);
}

const looks = ["light dark", "light", "dark"];
const theme = element("button", { type: "button", class: "theme", title: "light, dark, or as the system" });
let look = 0;
const wear = () => {
  root.style.colorScheme = looks[look];
  theme.textContent = ["auto", "light", "dark"][look];
  theme.setAttribute("aria-label", `colours: ${theme.textContent}`);
};
theme.addEventListener("click", () => {
  look = (look + 1) % looks.length;
  wear();
});
wear();
document.querySelector("nav")?.append(theme);

addEventListener("beforeprint", () => {
  root.style.colorScheme = "light";
  document.querySelectorAll("details").forEach((each) => (each.open = true));
});
addEventListener("afterprint", wear);
