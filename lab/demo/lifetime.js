/** Says beside each lifetime slider what is chosen. */
for (const slider of document.querySelectorAll('.lifetime input')) {
  const tell = () => {
    slider.parentElement.querySelector('.chosen').textContent = slider.value;
  };
  slider.addEventListener('input', tell);
  tell();
}
