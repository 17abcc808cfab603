// A link that the avatar shows: a card over the picture, and a line in the transcript. Only the visitor opens it.

const safe = (url) => {
  try {
    return new URL(url).protocol === "https:";
  } catch {
    return false;
  }
};

/** An anchor that opens `url` in a new tab and tells that page nothing of this one. */
function anchor({ title, url }) {
  const link = document.createElement("a");
  link.href = url;
  link.target = "_blank";
  link.rel = "noopener noreferrer nofollow";
  link.className = "link-card";
  const words = document.createElement("strong");
  words.textContent = title;
  const host = document.createElement("span");
  host.textContent = new URL(url).host;
  const note = document.createElement("span");
  note.className = "visually-hidden";
  note.textContent = " (opens in a new tab)";
  link.append(words, host, note);
  return link;
}

/** `place` holds the card; `keep` gets {turn, anchor} for the transcript. */
export class LinkCard {
  constructor({ place, keep }) {
    this.place = place;
    this.keep = keep;
    place.querySelector("button").addEventListener("click", () => this.hide());
  }

  show({ turn, title, url }) {
    if (!safe(url)) return;
    this.place.querySelector("a")?.remove();
    this.place.prepend(anchor({ title, url }));
    this.place.hidden = false;
    this.keep({ turn, anchor: anchor({ title, url }) });
  }

  hide() {
    this.place.hidden = true;
  }
}
