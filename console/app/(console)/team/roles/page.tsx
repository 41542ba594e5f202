export { RolesPage as default } from "@/features/team/roles";
