// The test button: tries what is typed without leaving the page, so that a key need not be typed again.

for (const form of document.querySelectorAll("[data-provider]")) {
  const verdict = form.querySelector("[data-verdict]");
  const button = form.querySelector("[data-test]");
  button.addEventListener("click", async (event) => {
    event.preventDefault();
    const data = new FormData(form);
    data.set("act", "test");
    button.disabled = true;
    delete verdict.dataset.ok;
    verdict.textContent = "Trying it out ...";
    try {
      const answer = await fetch(location.href, { method: "POST", body: data, headers: { Accept: "application/json" } });
      const { ok, message } = await answer.json();
      verdict.dataset.ok = ok ? "yes" : "no";
      verdict.textContent = message;
    } catch {
      verdict.dataset.ok = "no";
      verdict.textContent = "Parlo itself did not answer. Reload the page and try again.";
    }
    button.disabled = false;
  });
}
