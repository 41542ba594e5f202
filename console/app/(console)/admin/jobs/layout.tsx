export { JobTexts as default } from "@/features/jobs/messages";
