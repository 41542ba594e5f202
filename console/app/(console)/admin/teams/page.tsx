export { AllTeamsList as default } from "@/features/all-teams/list";
