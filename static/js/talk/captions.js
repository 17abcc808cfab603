// What is said: the line under the face, and the transcript. Kept in the page alone.

const USER_LINE_MS = 5000;

export class Captions {
  constructor({ line, transcript, empty, names }) {
    this.userLine = line.querySelector(".caption-user");
    this.avatarLine = line.querySelector(".caption-avatar");
    this.transcript = transcript;
    this.empty = empty;
    this.names = names;
    this.entries = new Map();
    this.pending = []; // what was typed and not yet confirmed by the server
    this.session = "";
    this.you = ""; // in a room: which of its people this page is
  }

  /** Turn numbers count from the start of a session; an older session's entries are never written over. */
  begin(session) {
    this.session = session;
    this.pause();
  }

  /** `id` and `name`: who said it, in a room. */
  caption({ who, turn, text, final, id, name, sources = [] }) {
    const other = name && id !== this.you ? name : "";
    const entry = this.entry(who, turn, text, other);
    const before = entry.text;
    entry.text = text;
    entry.words.textContent = text;
    entry.item.toggleAttribute("data-partial", !final);
    this.cite(entry, sources);
    // Where nobody meant to interrupt, the avatar goes on.
    delete entry.item.dataset.interrupted;
    if (who === "avatar") {
      this.userLine.textContent = "";
      // Only what is new: a caption carries its turn's whole text so far.
      const added = text.startsWith(before) ? text.slice(before.length).trim() : text;
      if (added) this.avatarLine.textContent = added;
    } else {
      this.avatarLine.textContent = "";
      this.showUser(other ? `${other}: ${text}` : text);
    }
    this.follow();
  }

  /** Where an answer has its words from: file and page, small, under it. */
  cite(entry, sources) {
    if (!sources.length) return;
    if (!entry.sources) {
      entry.sources = document.createElement("ul");
      entry.sources.className = "sources";
      entry.sources.setAttribute("aria-label", "Taken from");
      entry.item.append(entry.sources);
    }
    entry.sources.replaceChildren(
      ...sources.map(({ file, page }) => {
        const item = document.createElement("li");
        item.className = "source";
        item.textContent = page ? `${file}, page ${page}` : file;
        return item;
      }),
    );
  }

  /** A link that the avatar shows, under what it says with it. */
  link({ turn, anchor }) {
    const entry = this.entry("avatar", turn, "");
    entry.item.append(anchor);
    this.follow();
  }

  interrupted({ turn, text }) {
    const entry = this.entries.get(this.key("avatar", turn));
    this.avatarLine.textContent = "";
    if (!entry) return;
    if (!text) {
      entry.item.remove();
      this.entries.delete(this.key("avatar", turn));
      return;
    }
    entry.text = text;
    entry.words.textContent = `${text} …`;
    entry.item.removeAttribute("data-partial");
    entry.item.dataset.interrupted = "";
  }

  /** Show what was typed at once; the server's own caption of it takes its place. */
  typed(text) {
    const entry = this.add("user", text);
    entry.words.textContent = text;
    this.pending.push(entry);
    this.avatarLine.textContent = "";
    this.follow();
  }

  /** Nobody is heard any more: what was begun stays as it is. */
  pause() {
    this.userLine.textContent = "";
    this.avatarLine.textContent = "";
    for (const item of this.transcript.querySelectorAll("[data-partial]")) item.removeAttribute("data-partial");
  }

  key(who, turn) {
    return `${this.session}/${who}/${turn}`;
  }

  entry(who, turn, text, other) {
    const key = this.key(who, turn);
    let entry = this.entries.get(key);
    if (!entry) {
      const waiting = who === "user" && !other ? this.pending.findIndex((typed) => typed.text === text.trim()) : -1;
      entry = waiting >= 0 ? this.pending.splice(waiting, 1)[0] : this.add(who, "", other);
      this.entries.set(key, entry);
    }
    return entry;
  }

  add(who, text, other = "") {
    const item = document.createElement("li");
    item.dataset.who = who;
    item.toggleAttribute("data-other", Boolean(other));
    const name = document.createElement("span");
    name.className = "who";
    name.textContent = other || this.names[who];
    const words = document.createElement("p");
    item.append(name, words);
    this.transcript.append(item);
    this.empty.hidden = true;
    return { item, words, text };
  }

  showUser(text) {
    this.userLine.textContent = text;
    clearTimeout(this.fading);
    this.fading = setTimeout(() => (this.userLine.textContent = ""), USER_LINE_MS);
  }

  follow() {
    this.transcript.scrollTop = this.transcript.scrollHeight;
  }
}
