// What the tests ask of a page that is open: which words and marks stand out, what is reached, what is cut off.

const seen = (one) => one.checkVisibility() && one.getClientRects().length > 0;

// --- Colours: relative luminance and contrast as in WCAG 2.2 ---

const channels = (colour) => {
  const numbers = colour.match(/[\d.]+/g).map(Number);
  const rgb = colour.startsWith("color(") ? numbers.slice(0, 3) : numbers.slice(0, 3).map((part) => part / 255);
  return { rgb, alpha: numbers.length > 3 ? numbers[3] : 1 };
};
const luminance = (rgb) => {
  const [red, green, blue] = rgb.map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
};
const contrast = (one, other) => {
  const [dark, light] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (light + 0.05) / (dark + 0.05);
};
const behind = (element) => {
  for (let one = element; one; one = one.parentElement) {
    const { rgb, alpha } = channels(getComputedStyle(one).backgroundColor);
    if (alpha === 1) return rgb;
    if (alpha > 0) throw new Error("half a background at " + one.outerHTML.slice(0, 80));
  }
  return [1, 1, 1];
};

const wordContrasts = () => {
  const found = [];
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const element = walk.currentNode.parentElement;
    const text = walk.currentNode.textContent.trim();
    if (!text || !seen(element) || element.closest("title, desc")) continue;
    const style = getComputedStyle(element);
    const colour = element.closest("svg") ? style.fill : style.color;
    found.push({ text, colour, contrast: contrast(channels(colour).rgb, behind(element)) });
  }
  return found;
};

// Lines of the grid and the edges of dots only help; a mark needs one colour that stands out, its fill or its outline.
const markContrasts = () => {
  const found = [];
  for (const mark of document.querySelectorAll("svg[role=img] path, svg[role=img] use, .swatch path, .swatch circle")) {
    if (!seen(mark) || mark.closest("defs, clipPath")) continue;
    const style = getComputedStyle(mark);
    if (mark.getAttribute("style")?.includes("--grid")) continue;
    const colours = [style.fill, style.stroke].filter((colour) => colour !== "none" && channels(colour).alpha === 1);
    const ground = behind(mark.closest("svg"));
    const strongest = Math.max(0, ...colours.map((colour) => contrast(channels(colour).rgb, ground)));
    const group = mark.closest("g[id]")?.id ?? mark.getAttribute("class");
    if (colours.length) found.push({ group, colours, contrast: strongest });
  }
  return found;
};

// --- Drawings ---

const drawnTexts = () => {
  const found = [];
  for (const drawing of document.querySelectorAll("svg[role=img]")) {
    if (!seen(drawing)) continue;
    const texts = [...drawing.querySelectorAll("text")];
    const boxes = texts.map((text) => text.getBoundingClientRect());
    const edge = drawing.getBoundingClientRect();
    const scale = drawing.getBoundingClientRect().width / drawing.viewBox.baseVal.width;
    texts.forEach((text, place) => {
      const box = boxes[place];
      const on = boxes.findIndex(
        (other, number) =>
          number < place &&
          Math.min(box.right, other.right) - Math.max(box.left, other.left) > 1 &&
          Math.min(box.bottom, other.bottom) - Math.max(box.top, other.top) > 3,
      );
      found.push({
        text: text.textContent,
        size: parseFloat(getComputedStyle(text).fontSize) * scale,
        out: box.left < edge.left - 1 || box.right > edge.right + 1 || box.top < edge.top - 1 || box.bottom > edge.bottom + 1,
        on: on < 0 ? "" : `${text.textContent} on ${texts[on].textContent}`,
      });
    });
  }
  return found;
};

// --- By keyboard ---

const called = (one) =>
  one ? `${one.tagName.toLowerCase()}:${one.getAttribute("aria-labelledby") ?? one.getAttribute("download") ?? one.textContent.trim()}` : "";
const focused = () => (document.activeElement === document.body ? "" : called(document.activeElement));
const reachable = () => [...document.querySelectorAll(".scroll, summary, a[href]")].filter(seen).map(called);

// --- Sizes ---

// What reaches beyond the screen and is in nothing that scrolls.
const cutOff = () =>
  [...document.querySelectorAll("main *")]
    .filter((one) => seen(one) && !one.closest(".scroll, svg") && one.getBoundingClientRect().right > innerWidth + 1)
    .map((one) => one.outerHTML.slice(0, 120));
const tooWide = () =>
  [...document.querySelectorAll(".scroll")].filter((one) => seen(one) && one.scrollWidth > one.clientWidth).map(called);
