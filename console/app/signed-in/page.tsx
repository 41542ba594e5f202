export { SignedIn as default } from "@/features/session/signed-in";
