// The checks of browser.py. Each function returns descriptions of the problems that it finds in the document.

async function findBrokenImages() {
  const broken = [];
  for (const image of document.images) {
    const description = describe(image);
    if (image.loading === "lazy") {
      image.loading = "eager";
    }
    const decoded = await image.decode().then(
      () => true,
      () => false,
    );
    if (!decoded || !image.complete || image.naturalWidth === 0) {
      broken.push(description);
    }
  }
  return broken;
}

function findOverflow() {
  const root = document.documentElement;
  if (root.scrollWidth <= root.clientWidth) {
    return [];
  }
  const found = [...findWideNodes(document.body, root.clientWidth)];
  return (found.length ? found : ["the page"]).map(
    (description) => `${description}: ${root.scrollWidth} px of ${root.clientWidth} px`,
  );
}

// Yield the descendants that extend beyond the width of the page, except for the content of elements that scroll or
// clip it, and for fixed elements, which do not make the page scroll.
function* findWideNodes(parent, width) {
  for (const node of parent.childNodes) {
    if (node instanceof Element) {
      const style = getComputedStyle(node);
      if (style.position === "fixed") {
        continue;
      }
      if (isWide(node, width)) {
        yield describe(node);
      }
      if (style.overflowX === "visible") {
        yield* findWideNodes(node, width);
      }
    } else if (node instanceof Text && isWide(getRange(node), width) && !isWide(parent, width)) {
      yield `text in ${describe(parent)}`;
    }
  }
}

function isWide(box, width) {
  return box.getBoundingClientRect().right + window.scrollX > width + 0.5;
}

function getRange(node) {
  const range = document.createRange();
  range.selectNodeContents(node);
  return range;
}

function findMissingAltTexts() {
  const images = [...document.querySelectorAll("img")].filter((image) => !image.hasAttribute("alt"));
  const drawings = [...document.querySelectorAll("svg")].filter(
    (svg) => !svg.parentElement.closest("svg") && !svg.closest("[aria-hidden=true]") && !isLabeled(svg),
  );
  return [...images, ...drawings].map(describe);
}

// Return whether a drawing has a role and, if it is an image, a text that describes it.
function isLabeled(svg) {
  if (svg.getAttribute("role") !== "img") {
    return svg.hasAttribute("role");
  }
  const ids = (svg.getAttribute("aria-labelledby") ?? "").split(/\s+/).filter(Boolean);
  const labels = ids.map((id) => document.getElementById(id)?.textContent);
  const title = svg.querySelector(":scope > title")?.textContent;
  return [svg.getAttribute("aria-label"), title, ...labels].some((text) => text?.trim());
}

function findBrokenLinks() {
  const links = [...document.querySelectorAll('[*|href^="#"]')].filter((link) => {
    const reference = link.getAttribute("href") ?? link.getAttribute("xlink:href");
    return !isFragment(reference.slice(1));
  });
  const elements = Map.groupBy(document.querySelectorAll("[id]"), (element) => element.id);
  const duplicates = [...elements.values()].filter((group) => group.length > 1);
  return [...links.map(describe), ...duplicates.map((group) => `duplicate id: ${group.map(describe).join(", ")}`)];
}

// Return whether a fragment is an id or, as in the HTML standard, the top of the page.
function isFragment(fragment) {
  return (
    fragment === "" ||
    fragment.toLowerCase() === "top" ||
    [fragment, decodeURIComponent(fragment)].some((id) => document.getElementById(id))
  );
}

// Return the start tag of an element, without most of its data.
function describe(element) {
  const tag = element.cloneNode(false).outerHTML.replace(/<\/[^<]*>$/, "");
  return tag.length > 120 ? `${tag.slice(0, 120)}...` : tag;
}

const MIN_CONTRAST = 4.5; // of text, as in the Web Content Accessibility Guidelines

function findLowContrast() {
  const found = [];
  for (const element of document.querySelectorAll("body *:not(svg *)")) {
    const texts = [...element.childNodes].filter((node) => node instanceof Text && node.data.trim());
    if (!texts.length || !element.getClientRects().length) {
      continue;
    }
    const colors = [parseColor(getComputedStyle(element).color), findBackground(element)];
    const [light, dark] = colors.map(computeLuminance).sort((a, b) => b - a);
    const contrast = (light + 0.05) / (dark + 0.05);
    if (contrast < MIN_CONTRAST) {
      found.push(`${describe(element)}: ${contrast.toFixed(2)}`);
    }
  }
  return found;
}

// Return the color behind an element: its background and those of its ancestors on a white or black page.
function findBackground(element) {
  const { colorScheme } = getComputedStyle(document.documentElement);
  const isDark = colorScheme.includes("dark") && matchMedia("(prefers-color-scheme: dark)").matches;
  const layers = [];
  for (let ancestor = element; ancestor; ancestor = ancestor.parentElement) {
    layers.push(parseColor(getComputedStyle(ancestor).backgroundColor));
  }
  return layers
    .reverse()
    .reduce(
      (below, [red, green, blue, opacity = 1]) =>
        [red, green, blue].map((value, i) => opacity * value + (1 - opacity) * below[i]),
      isDark ? [0, 0, 0] : [255, 255, 255],
    );
}

function parseColor(color) {
  return color.match(/[\d.]+/g).map(Number);
}

function computeLuminance(color) {
  const [red, green, blue] = color
    .map((value) => value / 255)
    .map((value) => (value <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4));
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}
