export { AccountTexts as default } from "@/features/account/messages";
