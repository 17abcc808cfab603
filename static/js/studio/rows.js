// Lists of rows in a form: adds empty ones; without this the rows that exist can still be changed and removed.

// What is wrong in a row that is folded has to be seen, or nothing seems to happen on saving.
document.addEventListener("invalid", ({ target }) => target.closest("details")?.setAttribute("open", ""), true);

for (const root of document.querySelectorAll("[data-rows]")) {
  const list = root.querySelector("[data-row-list]");
  const template = root.querySelector("[data-row-template]");
  const add = root.querySelector("[data-add-row]");
  const total = root.querySelector("[name$=-TOTAL_FORMS]");
  const most = Number(root.querySelector("[name$=-MAX_NUM_FORMS]").value);

  add.hidden = Number(total.value) >= most;
  add.addEventListener("click", () => {
    const row = document.createElement("li");
    row.innerHTML = template.innerHTML.replaceAll("__prefix__", total.value);
    list.append(row);
    total.value = Number(total.value) + 1;
    add.hidden = Number(total.value) >= most;
    row.querySelector("textarea, input:not([type=hidden])").focus();
  });
}
