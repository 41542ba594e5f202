export { UserTexts as default } from "@/features/users/messages";
