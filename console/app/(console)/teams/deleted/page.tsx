export { DeletedTeams as default } from "@/features/teams/deleted";
