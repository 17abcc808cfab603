// The list of what is tried: each row begins as running and ends good, as a note, or bad.

const STATE_WORDS = { running: "trying", good: "works", note: "note", bad: "does not work" };

class Row {
  constructor(item, title) {
    this.item = item;
    this.title = title;
    item.querySelector("h3").textContent = title;
    this.begin("Trying …");
  }

  begin(words) {
    this.end("running", words);
    this.item.querySelector("button").hidden = true;
  }

  end(state, words) {
    this.item.dataset.state = state;
    this.words = words;
    this.item.querySelector("p").textContent = words;
  }

  offer(words, action) {
    const button = this.item.querySelector("button");
    button.textContent = words;
    button.hidden = false;
    button.onclick = action;
  }

  get line() {
    return `[${STATE_WORDS[this.item.dataset.state]}] ${this.title}: ${this.words}`;
  }
}

export class Rows {
  constructor(list, template) {
    this.list = list;
    this.template = template;
    this.rows = [];
  }

  clear() {
    this.rows = [];
    this.list.replaceChildren();
  }

  add(title) {
    const item = this.template.content.firstElementChild.cloneNode(true);
    this.list.append(item);
    const row = new Row(item, title);
    this.rows.push(row);
    return row;
  }

  /** Each row as one line of plain text. */
  lines() {
    return this.rows.map((row) => row.line);
  }
}
