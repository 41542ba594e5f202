// Requests a passkey from the browser and submits the assertion with the form; shows an error if that fails.
"use strict";

const form = document.getElementById("passkey");
const button = form.querySelector("button");
const alertBox = form.querySelector("[role=alert]");

const decodeBase64url = (text) => {
  const base64 = text.replaceAll("-", "+").replaceAll("_", "/");
  return Uint8Array.from(atob(base64), (each) => each.charCodeAt(0));
};

const encodeBase64url = (buffer) => {
  if (!buffer) return null;
  const base64 = btoa(Array.from(new Uint8Array(buffer), (each) => String.fromCharCode(each)).join(""));
  return base64.replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
};

const requestOptions = () => {
  const options = JSON.parse(form.dataset.options);
  options.challenge = decodeBase64url(options.challenge);
  options.allowCredentials = options.allowCredentials.map((each) => ({ ...each, id: decodeBase64url(each.id) }));
  return options;
};

const encodeCredential = ({ id, rawId, type, response }) => ({
  id,
  rawId: encodeBase64url(rawId),
  type,
  response: {
    clientDataJSON: encodeBase64url(response.clientDataJSON),
    authenticatorData: encodeBase64url(response.authenticatorData),
    signature: encodeBase64url(response.signature),
    userHandle: encodeBase64url(response.userHandle),
  },
});

const showError = (reason) => {
  alertBox.textContent = alertBox.dataset[reason];
  alertBox.hidden = false;
};

// The user signs in from the start on that domain: the pending sign-in is not carried over.
const offerPasskeyDomain = () => {
  const url = new URL(location.href);
  url.hostname = form.dataset.domain;
  const link = document.getElementById("passkey-there");
  link.href = url.href;
  link.hidden = false;
};

const REASONS = { NotAllowedError: "canceled", AbortError: "canceled", SecurityError: "wrongDomain" };

const requestPasskey = async (event) => {
  event.preventDefault();
  button.disabled = true;
  alertBox.hidden = true;
  try {
    const passkey = await navigator.credentials.get({ publicKey: requestOptions() });
    form.elements.passkey.value = JSON.stringify(encodeCredential(passkey));
    form.submit();
  } catch (error) {
    const reason = REASONS[error.name] ?? "failed";
    showError(reason);
    if (reason === "wrongDomain") offerPasskeyDomain();
    button.disabled = false;
    button.focus();
  }
};

document.getElementById("no-script")?.remove();
form.hidden = false;
if (window.PublicKeyCredential && navigator.credentials) {
  form.addEventListener("submit", requestPasskey);
  if (!document.querySelector("[autofocus]")) button.focus();
} else {
  button.hidden = true;
  showError("unsupported");
}
