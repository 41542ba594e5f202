export { FlagTexts as default } from "@/features/flags/messages";
