export { TeamTexts as default } from "@/features/team/messages";
