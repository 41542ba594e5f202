export { TeamSettings as default } from "@/features/team/settings";
