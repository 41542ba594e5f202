// Asks the browser for a passkey and posts what it signed with the form; says why when there is nothing to post.
"use strict";

const form = document.getElementById("passkey");
const button = form.querySelector("button");
const notice = form.querySelector("[role=alert]");

const bytes = (text) => {
  const plain = text.replaceAll("-", "+").replaceAll("_", "/");
  return Uint8Array.from(atob(plain), (each) => each.charCodeAt(0));
};

const text = (buffer) => {
  if (!buffer) return null;
  const plain = btoa(Array.from(new Uint8Array(buffer), (each) => String.fromCharCode(each)).join(""));
  return plain.replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
};

const wanted = () => {
  const options = JSON.parse(form.dataset.options);
  options.challenge = bytes(options.challenge);
  options.allowCredentials = options.allowCredentials.map((each) => ({ ...each, id: bytes(each.id) }));
  return options;
};

const signed = ({ id, rawId, type, response }) => ({
  id,
  rawId: text(rawId),
  type,
  response: {
    clientDataJSON: text(response.clientDataJSON),
    authenticatorData: text(response.authenticatorData),
    signature: text(response.signature),
    userHandle: text(response.userHandle),
  },
});

const say = (why) => {
  notice.textContent = notice.dataset[why];
  notice.hidden = false;
};

// The page of that address begins with the first step of signing in.
const offerOtherAddress = () => {
  const there = new URL(location.href);
  there.hostname = form.dataset.domain;
  const link = document.getElementById("passkey-there");
  link.href = there.href;
  link.hidden = false;
};

const WHY = { NotAllowedError: "cancelled", AbortError: "cancelled", SecurityError: "elsewhere" };

const ask = async (event) => {
  event.preventDefault();
  button.disabled = true;
  notice.hidden = true;
  try {
    const passkey = await navigator.credentials.get({ publicKey: wanted() });
    form.elements.passkey.value = JSON.stringify(signed(passkey));
    form.submit();
  } catch (error) {
    const why = WHY[error.name] ?? "failed";
    say(why);
    if (why === "elsewhere") offerOtherAddress();
    button.disabled = false;
    button.focus();
  }
};

document.getElementById("no-script")?.remove();
form.hidden = false;
if (window.PublicKeyCredential && navigator.credentials) {
  form.addEventListener("submit", ask);
  if (!document.querySelector("[autofocus]")) button.focus();
} else {
  button.hidden = true;
  say("absent");
}
