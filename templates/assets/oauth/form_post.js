// Sends the answer of the authorization endpoint on by itself; without scripts the person presses the button.
document.querySelector("form[data-submit]")?.submit();
