export { HealthTexts as default } from "@/features/health/messages";
