const reducedMotion = matchMedia("(prefers-reduced-motion: reduce)").matches;
for (const player of document.querySelectorAll(".player:has(.controls)")) {
  const frames = [...player.querySelectorAll(".film img")];
  const [controls, button, slider, label] =
    [".controls", ".play", "input", ".snapshot"].map((selector) => player.querySelector(selector));
  const name = player.querySelector("h3").textContent;
  let timer;

  function show(index) {
    frames.forEach((frame, other) => { frame.hidden = other !== index; });
    slider.value = index;
    label.textContent = frames[index].dataset.label;
    slider.setAttribute("aria-valuetext", label.textContent);
  }
  function updateButton() {
    button.textContent = timer ? "❚❚" : "▶";
    button.setAttribute("aria-label", `${timer ? "Stop" : "Play"} ${name}`);
  }
  function stop() {
    clearInterval(timer);
    timer = undefined;
    updateButton();
  }
  function advance() {
    if (slider.valueAsNumber < frames.length - 1) show(slider.valueAsNumber + 1);
    else stop();
  }
  function play() {
    if (slider.valueAsNumber === frames.length - 1) show(0);
    timer = setInterval(advance, INTERVAL);
    updateButton();
  }
  const toggle = () => (timer ? stop() : play());

  button.addEventListener("click", toggle);
  slider.addEventListener("input", () => { stop(); show(slider.valueAsNumber); });
  slider.addEventListener("keydown", (event) => {
    if (event.key !== " ") return;
    event.preventDefault();
    toggle();
  });
  // Print shows the last frame, so its label must match.
  addEventListener("beforeprint", () => { stop(); show(frames.length - 1); });
  show(frames.length - 1);
  controls.hidden = false;
  // Play once when the player becomes visible, unless reduced motion is requested.
  const observer = new IntersectionObserver(([entry]) => {
    if (!entry.isIntersecting) return;
    observer.disconnect();
    if (!timer && slider.valueAsNumber === frames.length - 1) play();
  }, { threshold: 0.6 });
  if (!reducedMotion) observer.observe(player);
}
