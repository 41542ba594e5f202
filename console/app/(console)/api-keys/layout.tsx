export { ApiKeyTexts as default } from "@/features/api-keys/messages";
