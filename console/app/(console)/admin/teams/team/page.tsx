export { AnyTeamPage as default } from "@/features/all-teams/team";
