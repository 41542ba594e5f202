export { AllTeamTexts as default } from "@/features/all-teams/messages";
