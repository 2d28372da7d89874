// Vega-Lite specifications for the data of pokegan/report/charts.py.
const INK = "currentColor"; // follows light and dark mode
const MAX_MARKS = 40; // points per curve up to which each one is marked
const number = (field, options) => ({ field, type: "quantitative", ...options });
const nominal = (field, options) => ({ field, type: "nominal", ...options });
const line = { type: "line", strokeWidth: 1.8 };
// The target of the pointer is larger than the visible mark.
const [mark, target] = [30, 250].map((size) => ({ type: "point", filled: true, size }));

const specifications = {
  curve({ title, rows, real, colors }) {
    const scale = { domain: Object.keys(colors), range: Object.values(colors) };
    const encoding = {
      y: number("value", { title: null, scale: { zero: false } }),
      color: nominal("network", { scale, legend: null }),
    };
    const tooltip = number("value", { title, format: ".3f" });
    const few = scale.domain.every((name) => rows.filter((row) => row.network === name).length <= MAX_MARKS);
    return {
      description: `${title} over epochs`,
      layer: [
        {
          data: { values: real },
          mark: { type: "rule", strokeDash: [5, 4], strokeWidth: 1.6, opacity: 0.85 },
          encoding: { ...encoding, tooltip: [nominal("network", { title: "real vs real, reference of" }), tooltip] },
        },
        {
          data: { values: rows },
          // Networks train for very different numbers of epochs: hence the logarithmic axis.
          encoding: { x: number("epoch", { scale: { type: "log", nice: false } }), ...encoding },
          layer: [
            { mark: line },
            ...(few ? [{ mark: { ...mark, opacity: 1 } }] : []),
            {
              params: [{ name: "hovered", select: { type: "point", on: "pointerover", clear: "pointerout" } }],
              mark: target,
              encoding: {
                opacity: { condition: { param: "hovered", empty: false, value: 0.4 }, value: 0 },
                tooltip: [nominal("network"), number("epoch", { format: ".4~g" }), tooltip],
              },
            },
          ],
        },
      ].filter(({ data }) => data.values.length),
    };
  },
  spectra({ title, rows, colors }) {
    const scale = { domain: Object.keys(colors), range: Object.values(colors) };
    const x = number("frequency", { title: "cycles per pixel" });
    const y = number("value", { title: null, scale: { type: "log" } });
    return {
      description: `${title}, over the frequency`,
      layer: [
        { data: { values: [{ value: 1 }] }, mark: { type: "rule", strokeDash: DASHES[1], color: INK }, encoding: { y } },
        {
          data: { values: rows },
          encoding: { x, y, color: nominal("network", { scale, legend: null }) },
          layer: [
            { mark: line },
            {
              mark: { ...target, opacity: 0 },
              encoding: { tooltip: [nominal("network"), number("frequency", { format: ".3f" }), number("value", { title, format: ".3~g" })] },
            },
          ],
        },
      ],
    };
  },
  cumulative({ title, rows, names, color, mark }) {
    const colors = { domain: names, range: names.map((_, index) => (index ? INK : color)) };
    const dashes = { domain: names, range: DASHES.slice(0, names.length) };
    return {
      description: `Cumulative distributions of ${names.join(", ")} by ${title}`,
      layer: [
        {
          data: { values: mark === null ? [] : [{ value: mark }] },
          mark: { type: "rule", strokeDash: DASHES[1], color: INK },
          encoding: { x: number("value") },
        },
        {
          data: { values: rows },
          encoding: {
            x: number("value", { title, scale: { zero: false } }),
            y: number("share", { title: null, axis: { format: "%" }, scale: { domain: [0, 1] } }),
            color: nominal("name", { scale: colors, legend: null }),
            strokeDash: nominal("name", { scale: dashes, legend: null }),
          },
          layer: [
            { mark: line },
            {
              mark: { ...target, opacity: 0 },
              encoding: { tooltip: [nominal("name"), number("share", { format: ".0%" }), number("value", { title, format: ".3~g" })] },
            },
          ],
        },
      ].filter(({ data }) => data.values.length),
    };
  },
};
const config = {
  background: "transparent", font: "system-ui, sans-serif", view: { stroke: null },
  axis: { labelColor: INK, titleColor: INK, domainColor: INK, tickColor: INK, gridColor: INK,
    gridOpacity: 0.12, domainOpacity: 0.4, tickOpacity: 0.4 },
};
const rendered = Promise.all([...document.querySelectorAll(".chart")].map((element) => {
  const chart = JSON.parse(element.textContent);
  const specification = { width: "container", height: 200, ...specifications[chart.kind](chart) };
  return vegaEmbed(element, specification, { mode: "vega-lite", renderer: "svg", actions: false, config });
}));
