// Push to talk: while it is on, the server listens only as long as the button or the space bar is held.

const KEY = "parlo-push-to-talk";
const TYPED_IN = "input, textarea, select, button, a, [contenteditable]";

/** `say` sends a message to the server; `root` shows the mode and the press to the style sheet. */
export class PushToTalk {
  constructor({ button, words, choice, root, say }) {
    this.button = button;
    this.words = words;
    this.root = root;
    this.say = say;
    this.held = false;
    this.on = choice.checked = recall();
    this.show();
    choice.addEventListener("change", () => {
      this.let();
      this.on = choice.checked;
      remember(this.on);
      this.show();
      this.begin();
    });
    button.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      // However far the finger slides, letting go is noticed.
      button.setPointerCapture(event.pointerId);
      this.press();
    });
    for (const end of ["pointerup", "pointercancel", "lostpointercapture"]) button.addEventListener(end, () => this.let());
    button.addEventListener("contextmenu", (event) => event.preventDefault());
    // What helps people who cannot hold a button clicks without a pointer: the first click presses, the second lets go.
    button.addEventListener("click", (event) => {
      if (event.detail === 0 && !event.pointerType) this.held ? this.let() : this.press();
    });
    document.addEventListener("keydown", (event) => {
      if (!this.on || !this.isKey(event)) return;
      event.preventDefault();
      if (!event.repeat) this.press();
    });
    document.addEventListener("keyup", (event) => {
      if (!this.held || !["Space", "Enter"].includes(event.code)) return;
      event.preventDefault();
      this.let();
    });
    addEventListener("blur", () => this.let());
    document.addEventListener("visibilitychange", () => document.hidden && this.let());
  }

  /** Tell the server, which may be a new one. */
  begin() {
    this.say({ type: "push_to_talk", on: this.on });
  }

  press() {
    if (this.held || !this.on || !this.say({ type: "press" })) return;
    this.held = true;
    this.show();
  }

  let() {
    if (!this.held) return;
    this.held = false;
    this.say({ type: "release" });
    this.show();
  }

  isKey(event) {
    if (event.ctrlKey || event.altKey || event.metaKey) return false;
    if (event.target === this.button) return event.code === "Space" || event.code === "Enter";
    return event.code === "Space" && !event.target.closest(TYPED_IN);
  }

  show() {
    this.root.toggleAttribute("data-push-to-talk", this.on);
    this.button.setAttribute("aria-pressed", String(this.held));
    this.words.textContent = this.held ? "Let go when you are done" : "Hold to talk";
  }
}

function recall() {
  try {
    return localStorage.getItem(KEY) === "on";
  } catch {
    return false;
  }
}

function remember(on) {
  try {
    localStorage.setItem(KEY, on ? "on" : "off");
  } catch {
    // storage may be blocked; it is chosen again next time
  }
}
