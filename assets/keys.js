/** Keys of the queue, as its page tells them: j and k move, o opens, a opens at the reason. They only move the focus. */
const TYPED_IN = 'input:not([type=checkbox]), select, textarea, [contenteditable]';

const links = () => [...document.querySelectorAll('.row h2 a')];

const move = (step) => {
  const all = links();
  const at = all.indexOf(document.activeElement);
  const next = at === -1 ? 0 : Math.min(all.length - 1, Math.max(0, at + step));
  all[next]?.focus();
};

const open = (fragment) => {
  const link = links().find((each) => each === document.activeElement);
  if (link) location.assign(link.href + fragment);
};

const ACTIONS = { j: () => move(1), k: () => move(-1), o: () => open(''), a: () => open('#reason') };

document.addEventListener('keydown', (event) => {
  const wanted = !event.ctrlKey && !event.metaKey && !event.altKey && Object.hasOwn(ACTIONS, event.key);
  if (!wanted || !document.querySelector('#keys')?.checked || event.target.matches(TYPED_IN)) return;
  event.preventDefault();
  ACTIONS[event.key]();
});

if (location.hash === '#reason') document.querySelector('#reason')?.focus();
