// Voices to choose from: lets each be heard, one at a time.

const root = document.querySelector("[data-voices]");
const status = root.querySelector("[data-voices-status]");
const sound = new Audio();
let playing = null;

function stop() {
  sound.pause();
  playing?.setAttribute("aria-pressed", "false");
  playing = null;
}

sound.addEventListener("ended", stop);
for (const button of root.querySelectorAll("[data-sample]")) {
  button.hidden = false;
  button.addEventListener("click", async () => {
    const again = playing === button;
    stop();
    status.textContent = "";
    if (again) return;
    playing = button;
    button.setAttribute("aria-pressed", "true");
    sound.src = button.dataset.sample;
    try {
      await sound.play();
    } catch (error) {
      if (error.name === "AbortError") return; // another one was chosen meanwhile
      stop();
      status.textContent = "This voice cannot be heard at the moment. Try again in a little while.";
    }
  });
}
