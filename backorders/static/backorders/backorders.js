/* backorders: on a page that a cache kept, <backorders-status> puts right what it says and offers, and forms get a token that
   still counts. All of it comes from the server, in the page's language. Whatever fails leaves the page as it came. */
(() => {
  "use strict";
  const here = document.currentScript?.dataset.url; // an element that names its own server by `src` needs none
  const MOST = 50; // products in one question
  const TOKENS = ".bo-subscribe input[name=csrfmiddlewaretoken]";
  const parse = async answer => new DOMParser().parseFromString(await answer.text(), "text/html");
  const height = element => element.getBoundingClientRect().height;

  // What would push the page about waits for the reader's next click or key: that is when pages may move. (Not for the
  // finger that comes down: what it points at must still be there when it goes up.)
  const held = [];
  const release = () => held.splice(0).forEach(show => show());
  for (const touch of ["click", "keydown"]) addEventListener(touch, release, true);

  const drawn = element => element.getClientRects().length > 0; // our element is not, and what is hidden is not
  const boxOf = element => (element.matches("backorders-status") && element.firstElementChild) || element;

  // At once where nobody sees it. What has no room itself is where the next thing below it is.
  const later = (place, show) => {
    let seen = place;
    while (seen && !drawn(boxOf(seen))) seen = seen.nextElementSibling;
    const edge = seen ? boxOf(seen).getBoundingClientRect().top : place.parentElement.getBoundingClientRect().bottom;
    if (edge < innerHeight) held.push(show);
    else show();
  };

  // Where everything around an element stands.
  const around = element => {
    let box = element.parentElement;
    while (!drawn(box)) box = box.parentElement;
    const others = [...box.querySelectorAll("*")].filter(each => !element.contains(each) && drawn(each));
    return [box, ...others].map(each => (({ top, height }) => [top, height])(each.getBoundingClientRect())).join();
  };

  const conceal = element => { element.inert = true; element.style.visibility = "hidden"; };
  const allow = (box, may) => {
    if (!box || box.hidden !== may) return;
    if (!may) conceal(box);
    later(box, () => {
      box.hidden = !may;
      box.inert = false;
      box.style.visibility = "";
    });
  };

  let live; // there before its words, or screen readers would not hear of them
  const announce = words => { live.textContent = words.join(" "); };

  const waiting = new Set();
  let soon;
  const ask = element => {
    if (element) waiting.add(element);
    soon ??= setTimeout(put);
  };

  async function put() {
    const all = [...waiting], news = [];
    waiting.clear();
    soon = undefined;
    for (const source of new Set([here, ...all.map(element => element.source)])) if (source)
      await putFrom(source, all.filter(element => element.source === source), news);
    if (news.some(Boolean)) announce(news.filter(Boolean));
  }

  async function putFrom(source, asked, news) {
    const about = [...new Set(asked.map(element => element.question))];
    const isHere = source === here;
    for (let from = 0; (isHere && !from) || from < about.length; from += MOST) {
      const question = new URLSearchParams(about.slice(from, from + MOST).map(each => ["of", each]));
      question.set("language", document.documentElement.lang);
      if (isHere && !from && document.querySelector(TOKENS)) question.set("token", "1");
      try {
        const answer = await fetch(`${source}?${question}`, { cache: "no-store" });
        if (!answer.ok) return;
        const page = await parse(answer), token = page.querySelector("input[name=csrfmiddlewaretoken]");
        if (token) document.querySelectorAll(TOKENS).forEach(input => { input.value = token.value; });
        for (const words of page.querySelectorAll("template[data-of]"))
          for (const element of asked) if (element.question === words.dataset.of) news.push(element.say(words));
      } catch { return; }
    }
  }

  customElements.define("backorders-status", class extends HTMLElement {
    connectedCallback() {
      if (!live) {
        live = Object.assign(document.createElement("div"), { className: "bo-trap" });
        live.setAttribute("role", "status");
        document.body.append(live);
      }
      ask(this);
    }

    get source() { return this.getAttribute("src") ?? here; }

    get question() {
      const said = name => this.getAttribute(name) ?? "", part = said("part") || "status";
      const between = { form: ["quantity", "any-of"], alternatives: ["limit", ""] }[part] ?? ["pay", "deposit"];
      return [part, ...between.map(said), said("product")].join("|");
    }

    /* Takes the server's words, and returns what is worth saying aloud: a product's state that has changed. */
    say(words) {
      const { state, order } = words.dataset, part = this.getAttribute("part"), before = this.firstElementChild;
      if (part === "button") allow(this.closest("[data-bo-order]"), order !== undefined);
      // A form is never the same twice (its token, its reader): it is put right when the state is another.
      const isCurrent = part === "form" ? this.getAttribute("state") === state : words.innerHTML === this.innerHTML;
      if (isCurrent) return "";
      const fresh = words.content.cloneNode(true), after = fresh.firstElementChild, isKnown = this.hasAttribute("state") || !!before;
      this.setAttribute("state", state);
      if (part === "form") this.prepare(fresh);
      if (part === "form" || part === "alternatives") return this.exchange(fresh, isKnown);
      const isWhole = before?.matches(".bo-status"), was = before?.dataset.state;
      if (isWhole) this.swapWhole(fresh, before);
      else this.swap(fresh, isKnown);
      if (!was || was === after?.dataset.state) return "";
      const detail = { product: this.getAttribute("product"), state: after?.dataset.state, canOrder: order !== undefined };
      this.dispatchEvent(new CustomEvent("backorders:changed", { bubbles: true, detail }));
      return isWhole ? (after?.querySelector(".bo-row") ?? after)?.innerText ?? "" : "";
    }

    swapWhole(fresh, before) {
      const place = before.getBoundingClientRect(), now = fresh.firstElementChild;
      this.replaceChildren(...fresh.childNodes);
      if (!now || height(now) === place.height || place.bottom < 0 || place.top > innerHeight) return;
      Object.assign(now.style, { boxSizing: "border-box", blockSize: `${place.height}px`, overflow: "clip", overflowClipMargin: "content-box" });
      held.push(() => now.removeAttribute("style"));
    }

    swap(fresh, isKnown) {
      const old = [...this.childNodes], next = [...fresh.childNodes], before = around(this);
      this.replaceChildren(...next);
      if (!isKnown || around(this) === before) return;
      this.replaceChildren(...old);
      later(this, () => this.replaceChildren(...next));
    }

    prepare(form) {
      const next = this.getAttribute("next") ?? location.pathname + location.search;
      form.querySelectorAll("[name=next]").forEach(input => { input.value = next; });
      if (this.hasAttribute("open")) form.querySelector(".bo-fold")?.setAttribute("open", "");
    }

    /* A form or substitutes, which may come, go, or be others. What goes leaves its room for a while. */
    exchange(fresh, isKnown) {
      const next = [...fresh.childNodes], old = this.firstElementChild;
      const show = () => {
        if (this.contains(document.activeElement)) return held.push(show); // somebody is typing
        const typed = this.querySelector("[name=email]")?.value;
        this.replaceChildren(...next);
        const again = this.querySelector("[name=email]");
        if (typed && again) again.value = typed;
      };
      if (old && !next.length && !this.contains(document.activeElement)) conceal(old);
      if (isKnown) later(this, show);
      else show();
      return "";
    }
  });

  document.addEventListener("submit", async event => {
    const form = event.target, box = form.closest(".bo-subscribe"), said = new FormData(form), next = said.get("next");
    if (!box || !said.has("product") || event.defaultPrevented) return;
    event.preventDefault();
    if (form.ariaBusy) return;
    form.ariaBusy = "true";
    said.set("next", ""); // the answer is then a page of ours, which no cache keeps
    try {
      const answer = await fetch(form.action, { method: "POST", body: new URLSearchParams(said) });
      const page = await parse(answer), fresh = page.getElementById(box.id), again = fresh?.querySelector("form");
      const outcome = fresh?.querySelector(".bo-outcome > *") ?? page.querySelector(".bo-lead[role=status]");
      const wrong = again?.querySelector("[aria-invalid]");
      if (again) again.elements.next.value = next;
      if (outcome) {
        box.style.minBlockSize = `${height(box)}px`;
        held.push(() => { box.style.minBlockSize = ""; });
        box.querySelector(".bo-outcome").replaceChildren(outcome);
        form.replaceWith(...(again ? [again] : []));
        box.focus();
      } else if (wrong) {
        form.replaceWith(again);
        wrong.focus();
      } else throw answer;
    } catch { form.submit(); }
  });

  addEventListener("pageshow", event => { // "back" shows the page as it was left
    if (event.persisted) document.querySelectorAll("backorders-status").forEach(ask);
  });
  if (document.querySelector(TOKENS)) ask();
})();
