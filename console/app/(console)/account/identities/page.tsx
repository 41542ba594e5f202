export { IdentitiesPage as default } from "@/features/identities/identities";
